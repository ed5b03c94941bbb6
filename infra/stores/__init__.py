"""The stores: Bigtable, BigQuery, Firestore. Each module makes one store and grants exactly what a need says of it."""
