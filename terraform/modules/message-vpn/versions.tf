terraform {
  required_version = ">= 1.10.0, < 2.0.0"

  # The root module pins the exact version.
  required_providers {
    solacebroker = {
      source  = "solaceproducts/solacebroker"
      version = ">= 1.3.0, < 2.0.0"
    }
  }
}
