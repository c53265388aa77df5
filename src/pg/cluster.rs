//! A throwaway local cluster: initdb and pg_ctl of an installed PostgreSQL, a short 0700 folder in the temporary directory,
//! unix socket only.
