"""What `fraudstream doctor` checks on a cluster before it goes live: each check returns findings, none changes
anything."""
