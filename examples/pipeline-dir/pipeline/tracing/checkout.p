# Of spans the service counts, not the name.
url_decode(resource)
replace(resource, "card=[0-9]+", "card=***")
