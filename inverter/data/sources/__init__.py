"""Where pictures come from: one kind of source a file, each handed out shard by shard."""
