"""What people watch the product with: alerts and a dashboard, written to config/prometheus."""
