"""The topics that a worker needs: declared, checked and watched."""
