# A trust anchor, an issuer under it, and the certificates of a gateway and of a workload, in this directory.
set -e
account() { echo "$1.$2.serviceaccount.identity.jackstay.cluster.local"; }
jackstay certs root root.crt root.key --force
jackstay certs issuer issuer.crt issuer.key --ca root.crt --ca-key root.key --force
jackstay certs leaf "$(account jackstay-gateway jackstay)" gw.crt gw.key --ca issuer.crt --ca-key issuer.key --force
jackstay certs leaf "$(account web test)" app.crt app.key --ca issuer.crt --ca-key issuer.key --force
