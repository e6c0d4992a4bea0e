"""What two or more processes must agree on, said once. Imports nothing of ours."""
