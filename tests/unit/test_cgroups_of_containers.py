"""Which folders of a cgroup tree are a container's."""

import pytest

from retrograde.errors import UsageError
from retrograde.record.containers import cgroups_of

ID, OTHER = "0123456789ab" + "c" * 52, "fedcba987654" + "3" * 52


@pytest.fixture
def tree(tmp_path):
    def make(*paths):
        for path in paths:
            (tmp_path / path).mkdir(parents=True)
        return tmp_path

    return make


@pytest.mark.parametrize("container", [ID[:12], ID[:20], ID])
def test_a_containers_folder_is_found_and_not_its_monitors(tree, container):
    scope, monitor = f"machine.slice/libpod-{ID}.scope", f"machine.slice/libpod-conmon-{ID}.scope"
    top = tree(f"{scope}/container", monitor, f"system.slice/docker-{OTHER}.scope")
    assert cgroups_of(container, top) == [f"{top}/{scope}"]


def test_a_monitor_without_its_container_is_none(tree):
    with pytest.raises(UsageError) as error:
        cgroups_of(ID, tree(f"system.slice/crio-conmon-{ID}.scope"))
    assert error.value.hint == "none does, as far as cgroup2 tells"


def test_all_folders_of_an_id_are_found(tree):
    folders = [f"a.slice/crio-{ID}.scope", f"b.slice/{ID}"]
    top = tree(*folders)
    assert cgroups_of(ID, top) == [f"{top}/{folder}" for folder in folders]


def test_a_container_within_another_is_found_by_its_own_id(tree):
    inner = f"docker/{ID}/docker/{OTHER}"
    top = tree(inner)
    assert cgroups_of(OTHER, top) == [f"{top}/{inner}"]
    assert cgroups_of(ID, top) == [f"{top}/docker/{ID}"]


def test_a_container_is_found_by_its_name(tree):
    top = tree("lxc.payload.web/system.slice")
    assert cgroups_of("web", top) == [f"{top}/lxc.payload.web"]


@pytest.mark.parametrize(
    ("container", "hint"),
    [
        ("0123456789aa", f"did you mean {ID[:12]}?"),
        ("nothing-like-it", f"these do: {ID[:12]}, web"),
        (ID[:12] + "d", f"did you mean {ID[:12]}?"),
    ],
)
def test_an_unknown_id_names_those_that_run(tree, container, hint):
    with pytest.raises(UsageError, match="no container") as error:
        cgroups_of(container, tree(f"docker/{ID}", "lxc.payload.web"))
    assert error.value.hint == hint
