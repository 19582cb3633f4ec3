terraform {
  required_version = ">= 1.10.0, < 2.0.0"

  required_providers {
    solacebroker = {
      source  = "solaceproducts/solacebroker"
      version = "1.3.0"
    }
    vault = {
      source  = "hashicorp/vault"
      version = "5.10.1"
    }
  }
}
