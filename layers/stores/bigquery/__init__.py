"""Cold facts: appended in Arrow batches, read and deleted with SQL. Micro-batches, never on the path of a shopper."""
