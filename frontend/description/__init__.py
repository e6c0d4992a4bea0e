"""What clients are told of the API, made of the tables and types that the server itself goes by."""
