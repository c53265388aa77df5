-- subject: public."Us ers"
-- setup
CREATE TABLE public."Us ers" (id int CONSTRAINT k PRIMARY KEY);
-- defect
ALTER TABLE public."Us ers" DROP CONSTRAINT k;
-- repair
ALTER TABLE public."Us ers" ADD CONSTRAINT k PRIMARY KEY (id);
