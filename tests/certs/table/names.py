"""What a leaf may not be called: each of these names, alone or beside a good one."""

from ipaddress import ip_address

from cryptography import x509
from cryptography.x509.oid import NameOID

from tests.certs.forge import WEB, but, dns, having, named, uri, without
from tests.certs.table import LONG, Case, bad

NAMES: dict[str, tuple[x509.GeneralName, ...]] = {
    "NUL": (dns("web\0.test.serviceaccount.identity.jackstay.cluster.local"),),
    "NUL at the end": (dns(WEB.dns_name + "\0"),),
    "newline at the end": (dns(WEB.dns_name + "\n"),),
    "return": (dns(WEB.dns_name + "\r"),),
    "comma": (dns(f"x, DNS:{WEB.dns_name}"),),
    "upper case": (dns(WEB.dns_name.upper()),),
    "one upper case": (dns("W" + WEB.dns_name[1:]),),
    "trailing dot": (dns(WEB.dns_name + "."),),
    "leading dot": (dns("." + WEB.dns_name),),
    "two dots": (dns(WEB.dns_name.replace(".", "..", 1)),),
    "leading space": (dns(" " + WEB.dns_name),),
    "trailing space": (dns(WEB.dns_name + " "),),
    "tab": (dns(WEB.dns_name + "\t"),),
    "underscore": (dns("w_b" + WEB.dns_name[3:]),),
    "wildcard": (dns("*" + WEB.dns_name[3:]),),
    "wildcard in a label": (dns("w*" + WEB.dns_name[3:]),),
    "wildcard namespace": (dns(WEB.dns_name.replace("test", "*")),),
    "wildcard alone": (dns("*"),),
    "hyphen first": (dns("-" + WEB.dns_name),),
    "hyphen last": (dns("web-" + WEB.dns_name[3:]),),
    "internationalised": (dns("xn--wb-yja" + WEB.dns_name[3:]),),
    "label of 64": (dns("w" * 64 + WEB.dns_name[3:]),),
    "name of 254": (dns(WEB.dns_name + "." + ".".join(["a" * 49] * 4)),),
    "empty": (dns(""),),
    "not an identity": (dns("web.test.svc.cluster.local"),),
    "dotted account": (dns("a." + WEB.dns_name),),
    "no trust domain": (dns("web.test.serviceaccount.identity.jackstay"),),
    "another mark": (dns(WEB.dns_name.replace("identity", "identities")),),
    "two identities": (dns(WEB.dns_name), dns(LONG.dns_name)),
    "the same twice": (dns(WEB.dns_name), dns(WEB.dns_name)),
    "a host name beside": (dns(WEB.dns_name), dns("localhost")),
    "no names": (),
    "only a URI": (uri(WEB.spiffe_uri),),
    "another account's URI": (dns(WEB.dns_name), uri("spiffe://cluster.local/ns/test/sa/api")),
    "another namespace's URI": (dns(WEB.dns_name), uri("spiffe://cluster.local/ns/prod/sa/web")),
    "another domain's URI": (dns(WEB.dns_name), uri("spiffe://west.jackstay/ns/test/sa/web")),
    "URI with a port": (dns(WEB.dns_name), uri("spiffe://cluster.local:443/ns/test/sa/web")),
    "URI with a user": (dns(WEB.dns_name), uri("spiffe://me@cluster.local/ns/test/sa/web")),
    "URI with a query": (dns(WEB.dns_name), uri(WEB.spiffe_uri + "?a=b")),
    "URI with a fragment": (dns(WEB.dns_name), uri(WEB.spiffe_uri + "#a")),
    "URI with a percent": (dns(WEB.dns_name), uri("spiffe://cluster.local/ns/test/sa/%77eb")),
    "URI with two slashes": (dns(WEB.dns_name), uri("spiffe://cluster.local//ns/test/sa/web")),
    "URI with a slash behind": (dns(WEB.dns_name), uri(WEB.spiffe_uri + "/")),
    "URI in upper case": (dns(WEB.dns_name), uri(WEB.spiffe_uri.replace("spiffe", "SPIFFE"))),
    "URI of the web": (dns(WEB.dns_name), uri("https://cluster.local/ns/test/sa/web")),
    "the URI twice": (dns(WEB.dns_name), uri(WEB.spiffe_uri), uri(WEB.spiffe_uri)),
    "an address": (dns(WEB.dns_name), x509.IPAddress(ip_address("10.0.0.1"))),
    "a mail address": (dns(WEB.dns_name), x509.RFC822Name("web@test.local")),
    "a directory name": (
        dns(WEB.dns_name),
        x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, WEB.dns_name[:64])])),
    ),
    "another name": (dns(WEB.dns_name), x509.OtherName(x509.ObjectIdentifier("1.2.3.4"), b"\x0c\x01a")),
    "a registered id": (dns(WEB.dns_name), x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4"))),
}

_HOST = WEB.dns_name.partition(".")[2]

MORE: dict[str, tuple[x509.GeneralName, ...]] = {
    "NUL alone": (dns("\0"),),
    "NUL in the trust domain": (dns(WEB.dns_name.replace("cluster.local", "cluster\0.local")),),
    "vertical tab": (dns("web\v." + _HOST),),
    "delete": (dns("web\x7f." + _HOST),),
    "a slash": (dns("web/x." + _HOST),),
    "a colon": (dns(WEB.dns_name + ":443"),),
    "an at sign": (dns("me@" + WEB.dns_name),),
    "a percent": (dns("%77eb." + _HOST),),
    "a backslash": (dns("web\\." + _HOST),),
    "quotes": (dns('"web".' + _HOST),),
    "punycode of a look-alike": (dns("xn--wb-bja." + _HOST),),
    "punycode in the namespace": (dns(WEB.dns_name.replace("test", "xn--tst-bma")),),
    "punycode that is none": (dns("xn--." + _HOST),),
    "namespace missing": (dns(WEB.dns_name.replace("test.", "")),),
    "an address as a name": (dns("10.0.0.1"),),
    "a scheme": (dns("spiffe://" + WEB.dns_name),),
    "URI of a path below": (dns(WEB.dns_name), uri(WEB.spiffe_uri + "/more")),
    "URI without the account": (dns(WEB.dns_name), uri("spiffe://cluster.local/ns/test/sa/")),
    "URI with a dot segment": (dns(WEB.dns_name), uri("spiffe://cluster.local/ns/../ns/test/sa/web")),
    "URI with a NUL": (dns(WEB.dns_name), uri(WEB.spiffe_uri + "\0")),
    "URI without a domain": (dns(WEB.dns_name), uri("spiffe:///ns/test/sa/web")),
    "URI with the domain in upper case": (dns(WEB.dns_name), uri("spiffe://Cluster.Local/ns/test/sa/web")),
    "an empty URI": (dns(WEB.dns_name), uri("")),
    "an IPv6 address": (dns(WEB.dns_name), x509.IPAddress(ip_address("::1"))),
}

SAID = "is not|it carries|two different things|can look like|over 253|cannot be read"

ROWS: list[Case] = [
    *(bad(f"name: {name}", SAID, leaf=named(*names)) for name, names in {**NAMES, **MORE}.items()),
    bad("no subject alternative name", "names nobody", leaf=without(x509.SubjectAlternativeName)),
    bad(
        "common name only",
        "names nobody",
        leaf=lambda d: but(subject="web.test")(without(x509.SubjectAlternativeName)(d)),
    ),
    bad(
        "empty subject, names not critical",
        "critical",
        leaf=having(x509.SubjectAlternativeName([dns(WEB.dns_name)])),
    ),
]
