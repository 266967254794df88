"""The pages of the console over HTTP: routes, who may call them, forms, security headers, templates."""
