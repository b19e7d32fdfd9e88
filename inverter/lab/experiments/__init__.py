"""The paper's experiments: attacks compared cell by cell, and a page each with question, table, answer and limits."""
