-- subject: check_app
-- parameters: {"tables": [], "roles": ["check_app"]}
-- setup
CREATE ROLE check_app NOLOGIN;
-- defect
CREATE ROLE check_admin NOLOGIN BYPASSRLS;
CREATE ROLE check_middle NOLOGIN;
GRANT check_admin TO check_middle;
GRANT check_middle TO check_app;
-- repair
REVOKE check_middle FROM check_app;
