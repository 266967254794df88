"""Child processes: how they are started, watched, restarted and stopped, and how they die with their parent."""
