# No provider: this module can be planned, tested and compared with the code on any machine, without a broker.
terraform {
  required_version = ">= 1.10.0, < 2.0.0"
}
