"""An exported folder as found on disk: its files, its models as sessions, what they take, weights put into one."""
