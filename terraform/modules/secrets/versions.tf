terraform {
  required_version = ">= 1.10.0, < 2.0.0"

  # The root module pins the exact version.
  required_providers {
    vault = {
      source  = "hashicorp/vault"
      version = ">= 5.0.0, < 6.0.0"
    }
  }
}
