# What whoever serves HTTPS may do beyond its secrets: ask the authority of this installation for its own certificate.
# Without the mount `pki` (`tillstream vault set-up --pki`) it allows nothing.

path "pki/issue/tillstream" {
  capabilities = ["update"]
}
