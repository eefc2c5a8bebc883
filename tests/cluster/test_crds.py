from typing import Any

from cluster.crds import link_definition, traffic_split_definition
from cluster.kinds import LINK, TRAFFIC_SPLIT


def versions(definition: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {version["name"]: version for version in definition["spec"]["versions"]}


def test_every_version_is_served_and_the_last_one_stored() -> None:
    for kind, definition in ((LINK, link_definition()), (TRAFFIC_SPLIT, traffic_split_definition())):
        of_it = versions(definition)
        assert tuple(of_it) == kind.versions
        assert all(version["served"] for version in of_it.values())
        assert [name for name, version in of_it.items() if version["storage"]] == [kind.version]
        assert definition["metadata"]["name"] == f"{kind.plural}.{kind.group}"


def test_each_version_of_a_link_has_the_fields_that_linkerds_has() -> None:
    of_it = versions(link_definition())
    schemas = {name: version["schema"]["openAPIV3Schema"]["properties"] for name, version in of_it.items()}
    assert "status" not in schemas["v1alpha1"]
    assert "subresources" not in of_it["v1alpha1"]
    for name in ("v1alpha2", "v1alpha3"):
        assert {"mirrorServices", "federatedServices"} < set(schemas[name]["status"]["properties"])
        assert of_it[name]["subresources"] == {"status": {}}
    v1alpha3 = set(schemas["v1alpha3"]["spec"]["properties"])
    v1alpha2 = set(schemas["v1alpha2"]["spec"]["properties"])
    v1alpha1 = set(schemas["v1alpha1"]["spec"]["properties"])
    assert v1alpha3 - v1alpha2 == {"excludedAnnotations", "excludedLabels"}
    assert v1alpha2 - v1alpha1 == {"federatedServiceSelector"}
    assert "required" not in schemas["v1alpha3"]["spec"]


def test_a_link_shows_in_columns_whether_all_is_well() -> None:
    for name in ("v1alpha2", "v1alpha3"):
        columns = versions(link_definition())[name]["additionalPrinterColumns"]
        assert [column["name"] for column in columns] == ["Alive", "Services", "Latency", "Synced", "Age"]
