-- code: server-version-untested
-- title: The server's major version is one this tool is tested with
-- step: environment
-- kind: probe
-- severity: low
-- min-subjects: 1
-- why: catalogs and client programs differ between majors; on others than 15 to 18 the checks run, but nobody has tried them there
-- fix: read the findings with that in mind, or rehearse on a server of a tested major

-- server_version_num of the connected server, divided by 10000, lies between 15 and 18.
