# It never runs: logging/shop.p comes before it.
drop()
