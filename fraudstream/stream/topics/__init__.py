"""The topics that a worker needs: declared, created, found as they are, and watched."""
