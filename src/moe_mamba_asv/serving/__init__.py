"""How the world asks: an HTTP service that scores recordings and keeps none of them."""
