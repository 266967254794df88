"""ACLs: what each part of a deployment needs on a secured cluster, and what the cluster allows."""
