"""What was decided and done, in a log that tells when somebody changed it."""
