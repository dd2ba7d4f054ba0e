"""A killed supervisor leaves nothing of its machine's network on the host, once a next command looks."""
import pytest


@pytest.fixture
def host(network):
    return network.host("host")


@pytest.fixture
def eth9(network, host):
    """An interface of the host's, whose cable ends at somebody else's; its hardware address."""
    network.cable(host, network.host("other"), "eth9")
    return host.links()["eth9"]["address"]


def is_home(host, name, mac):
    links = host.links()
    return name in links and links[name]["address"] == mac


@pytest.mark.parametrize("options", [["--network-veth"], ["--network-zone=web"], ["--network-veth", "--port=8080"]], ids=" ".join)
def test_links_rules_and_addresses_go(host, redd, tree, options):
    machine = host.machine(redd, "killed", tree, *options)
    machine.crash()
    assert "vz-web" in host.links() or "zone" not in options[0]
    host.machinectl(redd, "reap").ok()
    assert not host.left()


def test_the_next_start_of_that_name_cleans_up_too(host, redd, tree):
    host.machine(redd, "killed", tree, "--network-zone=web").crash()
    again = host.machine(redd, "killed", tree)
    assert not [name for name in host.links() if name.startswith("v")]
    again.stop()


def test_an_interface_comes_home_at_the_end(host, redd, tree, eth9):
    machine = host.machine(redd, "lender", tree, "--network-interface=eth9:lan0")
    assert "lan0" in machine.links() and "eth9" not in host.links()
    machine.stop()
    assert is_home(host, "eth9", eth9)


def test_an_interface_comes_home_after_a_crash(host, redd, tree, eth9):
    machine = host.machine(redd, "lender", tree, "--network-interface=eth9:lan0")
    machine.crash()
    assert "eth9" not in host.links()
    host.machinectl(redd, "reap").ok()
    assert is_home(host, "eth9", eth9)


def test_control_without_its_pin_the_interface_is_lost(host, redd, tree, eth9):
    machine = host.machine(redd, "lender", tree, "--network-interface=eth9")
    host.run("sh", "-c", "umount /run/redd/network/ns-*")
    machine.crash()
    host.machinectl(redd, "reap").ok()
    assert "eth9" not in host.links()
    host.dirty = True


def test_an_interface_whose_name_is_taken_comes_home_all_the_same(host, redd, tree, eth9):
    machine = host.machine(redd, "lender", tree, "--network-interface=eth9:lan0")
    host.ip("link", "add", "eth9", "type", "bridge")
    machine.crash()
    done = host.machinectl(redd, "reap").ok()
    assert "eth9" in done.err and is_home(host, "lan0", eth9)
    for name in ("eth9", "lan0"):
        host.ip("link", "delete", name)
    host.dirty = True
