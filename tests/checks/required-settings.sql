-- subject: app.mode
-- subject: work_mem
-- subject: TimeZone
-- parameters: {"settings": {"app.mode": "staging", "work_mem": "9MB", "TimeZone": "UTC", "server_encoding": "UTF8"}}
-- setup
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET app.mode = ''staging''', current_database());
    EXECUTE format('ALTER DATABASE %I SET work_mem = ''9MB''', current_database());
END $$;
-- defect
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I RESET app.mode', current_database());
    EXECUTE format('ALTER DATABASE %I SET work_mem = ''10MB''', current_database());
    EXECUTE format('ALTER DATABASE %I SET timezone = ''Asia/Tokyo''', current_database());
END $$;
-- repair
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET app.mode = ''staging''', current_database());
    EXECUTE format('ALTER DATABASE %I SET work_mem = ''9216kB''', current_database());
    EXECUTE format('ALTER DATABASE %I RESET timezone', current_database());
END $$;
