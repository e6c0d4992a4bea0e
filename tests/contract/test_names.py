from contract.names import (
    NAME,
    PARTS,
    NetworkName,
    adapted_name,
    control_key_file,
    is_character,
    network_name,
    split_network_name,
)

GOOD_NAMES = ["eros", "sd-1", "7", "a" * 64, "mary-ann-2"]
BAD_NAMES = ["", "_aya", "a__b", "a_b", "aya-", "a--b", "-x", "a.b", "Aya", "aya\n", "é", "a" * 65, "../a"]


def test_names_are_folders_and_never_read_as_a_characters() -> None:
    assert [name for name in GOOD_NAMES + BAD_NAMES if NAME.fullmatch(name)] == GOOD_NAMES


def test_network_names_are_joined_by_dashes() -> None:
    assert network_name("eros", "denoiser") == "eros-denoiser"
    assert network_name("eros", "denoiser", "aya") == "eros-denoiser--aya"
    assert network_name("eros", "denoiser", style="ink") == "eros-denoiser--style--ink"
    assert adapted_name("eros", "aya") == "eros--aya"
    assert adapted_name("eros", style="aya") == "eros--style--aya"


def test_every_network_name_is_split_into_what_it_was_made_of() -> None:
    for model in GOOD_NAMES:
        for part in PARTS:
            for character in ("", *GOOD_NAMES):
                name = network_name(model, part, character)
                assert split_network_name(name) == NetworkName(model, part, character)
                assert str(NetworkName(model, part, character)) == name
                styled = NetworkName(model, part, style=character)
                assert split_network_name(str(styled)) == styled
                assert styled.is_base is (character == "")


def test_what_is_no_models_network_is_not_split() -> None:
    for name in ("text_to_image", "model_control", "prompt-encoder", "eros", "denoiser"):
        assert split_network_name(name) is None


def test_only_characters_networks_wait_to_be_asked_for() -> None:
    assert (
        is_character("eros-denoiser--style--ink")
        and is_character("eros-denoiser--aya")
        and is_character("eros-text-encoder--aya")
    )
    assert not any(map(is_character, ("eros-denoiser", "text_to_image", "prompt-encoder")))


def test_each_triton_has_a_key_file_of_its_own() -> None:
    assert control_key_file(7) != control_key_file(8)
    assert control_key_file(7).is_absolute()
