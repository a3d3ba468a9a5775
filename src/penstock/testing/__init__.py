"""What users need to test their workflows, and conformance suites for stores and executors."""
