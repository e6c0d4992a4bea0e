import pytest

from frontend.common.errors import SettingError
from frontend.net.service_name import ServiceName, look_up, service_name


def test_other_addresses_are_no_names() -> None:
    for text in ("gpu1:8001", "unix:/run/triton.sock:8001", "10.0.0.3:8001"):
        assert service_name("IMGEN_X", text) is None
    name = service_name("IMGEN_X", "dns:///tritons.imgen.svc:8001")
    assert name == ServiceName("tritons.imgen.svc", 8001) and str(name) == "dns:///tritons.imgen.svc:8001"


@pytest.mark.parametrize("text", ["dns:///tritons:x", "dns:///tritons:99999", "dns:tritons:8001"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match="IMGEN_X: expected dns:///name:port"):
        service_name("IMGEN_X", text)


async def test_a_name_is_looked_up_where_this_machine_looks_names_up() -> None:
    assert "127.0.0.1:8001" in await look_up(ServiceName("localhost", 8001))
    assert await look_up(ServiceName("::1", 8001)) == {"[::1]:8001"}
    with pytest.raises(OSError):
        await look_up(ServiceName("no-such-host.invalid", 8001))
