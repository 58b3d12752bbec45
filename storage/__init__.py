"""Tables, migrations, the database and the outbox. Knows no policy."""
