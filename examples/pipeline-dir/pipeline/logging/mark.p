# Used by shop.p.
add_key(odd, true)
