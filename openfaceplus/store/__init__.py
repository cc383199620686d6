"""What stages leave on disk: embeddings in CSV, and a table with one row for every input."""
