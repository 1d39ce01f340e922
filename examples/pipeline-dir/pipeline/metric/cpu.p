# Points of category metric that are called cpu; mem has no script, and metric no default.
add_key(usage, usage_user + usage_system)
