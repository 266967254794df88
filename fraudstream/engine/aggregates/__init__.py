"""The aggregates of the feature catalogue: one module for each kind, listed in `registry`, called by `dispatch`."""
