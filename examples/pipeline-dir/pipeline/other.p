# The default of logging.
add_key(parsed, false)
