"""What users write: a mutable builder that freezes into workflows, tasks and what binds them."""
