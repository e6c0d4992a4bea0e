"""Every command that README and docs show is run by a test, or stands here with the reason why not.

A new one fails here until it is in one of the two tables.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from embedded.part import python_of
from tests.docs.shown_commands import ROOT, commands, documents

# How a shown command begins → the test that runs it.
RUN_BY = {
    ".venv/bin/imgen generate": "test_first_command_writes_a_picture",
    ".venv/bin/imgen open": "test_page_draws_verifies_and_is_for_everybody",
    "KEY=$(": "test_curl_steps_download_a_picture",
    "api() {": "test_curl_steps_download_a_picture",
    "JOB=$(api": "test_curl_steps_download_a_picture",
    "ID=$(": "test_curl_steps_download_a_picture",
    "until STATE=": "test_curl_steps_download_a_picture",
    "curl -sN": "test_shell_line_follows_a_job_to_its_end",
    "curl -s -o picture.webp": "test_curl_steps_download_a_picture",
    'echo \'{"action":"verify"': "test_curl_verifies_a_picture",
    "export IMGEN_URL=": "test_shell_program_asks_and_orders",
    "call() {": "test_shell_program_asks_and_orders",
    "call '{": "test_shell_program_asks_and_orders",
    "make up": "test_make_up_is_imgen_up",
    "imgen up": "test_picture_is_reviewed_and_fetched_where_the_api_listens_on_all_addresses",
    "imgen down": "test_down_keeps_accepted_jobs_and_leaves_nothing_running",
    "imgen generate PROMPT": "test_generate_writes_a_picture",
    'imgen generate "a lighthouse on a cliff at sunset" --model mine': "test_printed_commands_draw_the_first_"
    "picture_and_the_checkout_stays_as_it_is",
    'imgen generate "@aya reading a book': "test_characters_commands_work_on_a_running_system",
    "imgen verify": "test_all_that_is_known_is_shown",
    "imgen takedown": "test_picture_is_deleted_and_asking_again_says_so",
    "imgen cache clear": "test_clearing_is_told_to_every_server",
    "imgen keys webhook-secret": "test_webhook_secret_of_no_key_and_retired_one_of_none_are_told",
    "curl -s localhost:8080/readyz": "test_health_readiness_and_metrics",
    "imgen doctor": "test_sound_machine_is_told_to_be_one",
    "cp -a .imgen": "test_restored_folder_has_keys_jobs_pictures_and_its_mark",
    "cp -a /mnt/backup/imgen": "test_restored_folder_has_keys_jobs_pictures_and_its_mark",
    "mv .imgen": "test_restored_folder_has_keys_jobs_pictures_and_its_mark",
    "redis-cli ACL": "test_redis_password_is_changed_while_servers_have_either",
    "imgen audit export|verify": "test_log_is_exported_and_proves_itself",
    "imgen open, imgen doctor": "test_sound_machine_is_told_to_be_one",
    "imgen audit export": "test_log_is_exported_and_proves_itself",
    "imgen audit verify": "test_log_is_exported_and_proves_itself",
    "imgen erase": "test_erased_key_leaves_pictures_that_are_known_and_nobodys",
    "imgen webhooks list|replay": "test_replay_says_what_follows",
    "imgen keys create web-shop": "test_limits_are_given_listed_and_changed",
    "imgen keys set": "test_limits_are_given_listed_and_changed",
    "imgen keys list": "test_limits_are_given_listed_and_changed",
    "imgen keys rotate": "test_rotating_shows_a_new_secret_and_the_old_ones_end",
    "imgen usage": "test_usage_is_told_by_key_day_model_and_character",
    "imgen keys": "test_keys_are_created_listed_and_disabled",
    "imgen doctor CHECKPOINT": "test_file_of_the_published_size_is_told_with_what_it_takes",
    "imgen model add|list|remove": "test_killed_command_leaves_nothing_in_service_and_given_again_goes_on",
    "imgen model add": "test_killed_command_leaves_nothing_in_service_and_given_again_goes_on",
    "imgen model list": "test_killed_command_leaves_nothing_in_service_and_given_again_goes_on",
    "imgen model remove": "test_model_is_removed_when_the_jobs_that_wait_for_it_are_drawn",
    "imgen character add nova": "test_characters_commands_work_on_a_running_system",
    "imgen character add aya": "test_characters_commands_work_on_a_running_system",
    "imgen character add|set|remove|list": "test_characters_commands_work_on_a_running_system",
    "imgen character list": "test_characters_commands_work_on_a_running_system",
    "imgen character remove": "test_characters_commands_work_on_a_running_system",
    "imgen serve": "test_benchmark_runs_and_its_table_and_last_line_say_the_same",  # bench-api starts it
    "imgen export CHECKPOINT": "test_repository_restored_and_exported_again_is_the_same_to_the_byte",
    ".venv/parts/export/bin/python -m export demo/build/cpu": "test_repository_restored_and_exported_again_"
    "is_the_same_to_the_byte",
    "imgen export CHECKPOINT --name eros --output REPOSITORY --engine tensorrt": "test_every_part_has_a_plan_"
    "and_keeps_its_graph",
    "imgen export CHECKPOINT --name eros --output REPOSITORY --engine inductor": "test_one_package_makes_"
    "torchs_step_at_every_size_batch_and_prompt",
    "imgen export-encoder": "test_all_that_triton_needs_lies_in_the_folder",
    "python -m export.engines.machine": "test_repository_is_checked_for_this_machine",
    "python -m export.checkpoints.restore": "test_bad_checkpoint_changes_nothing",
    "python -m acs": "test_real_detector_finds_a_drawn_picture_safe",
    "(umask 077; openssl genpkey": "test_openssl_makes_a_key_for_its_owner_alone_and_a_signing_request",
    "openssl req": "test_openssl_makes_a_key_for_its_owner_alone_and_a_signing_request",
    "cd deploy && install": "test_example_of_settings_is_copied_for_its_owner_alone",
    "(umask 077; mkdir keys": "test_keys_for_a_trial_are_made_for_their_owner_alone_and_found_by_the_chart",
    "printf %s": "test_keys_for_a_trial_are_made_for_their_owner_alone_and_found_by_the_chart",
    "make sbom": "test_there_is_a_valid_bill_for_every_lock_and_every_image",
    "make audit": "test_what_was_not_asked_is_not_called_safe",
    "python deploy/pin.py": "test_images_are_pinned_to_what_their_registries_say",
    "python requirements/licences.py": "test_every_package_has_a_licence_that_it_may_have_where_it_is",
    "make bench-": "test_benchmark_runs_and_its_table_and_last_line_say_the_same",
    "make bench-gpu": "test_benchmark_runs_and_its_table_and_last_line_say_the_same",
}
NOT_RUN = {
    "make test": "this is what runs it",
    "make check": "`make test` begins with it",
    "make install": "`make test` begins with it",
    "make .venv/.dev-installed && .venv/bin/pre-commit install": "writes into .git; see `make check`",
    "python3.11 -m venv imgen": "tests/deploy/test_wheel.py installs it with uv",
    "bin/pip install ../imgen": "tests/deploy/test_wheel.py, likewise",
    "for part in triton": "tests/deploy/test_wheel.py links those of `make install`",
    "done": "of the loop above",
    "bin/imgen up": "tests/deploy/test_wheel.py runs it",
    "export REVISION=": "tests/deploy/test_dockerfile.py runs what the image does with it",
    "make install-export": "`make test` begins with it: the exporter's tests have no other environment",
    "make bench-triton BENCH=": "needs a GPU server; the options are those of the smoke run",
    "make bench-gpu BENCH=": "needs a GPU, but for the tiny one, which the smoke run is",
    "python -m demo.train": "trains for hours; tests/demo/training takes some steps of each",
    "python -m demo.sharpness": "draws 20 pictures; see tests/demo/evaluation",
    "IMGEN_API_KEY=... python -m demo.evaluate": "draws 320 pictures; see tests/demo/evaluation",
    "IMGEN_CACHE_ENCODER=my-encoder imgen up": "that model is the reader's own",
    "kubectl": "needs a cluster; tests/deploy/test_chart.py reads what would be sent to it",
    "helm install": "needs a cluster; tests/deploy/test_chart.py renders these values by Helm's library",
    "syft": "needs a built image; requirements/bill.py knows what we put into it",
    "ssh -L 3000": "needs the reader's host; Grafana is not here",
    "docker build": "needs a container engine; tests/deploy/test_dockerfile.py reads the file",
    "docker compose": "needs a container engine; tests/deploy/test_compose.py reads the file",
    "curl https://API_DOMAIN": "needs the reader's domain; the same request as in the README's first steps",
    "aws s3api": "needs the aws program; tests/deploy/test_bucket.py sets the rules",
}


def entry(command: str) -> str | None:
    """The longest beginning in either table."""
    return max((each for each in {**RUN_BY, **NOT_RUN} if command.startswith(each)), key=len, default=None)


def shown() -> list[tuple[str, str]]:
    """Document and command."""
    return [
        (str(path.relative_to(ROOT)), command)
        for path in documents()
        for command in commands(path.read_text())
    ]


def test_every_command_that_is_shown_is_run_or_has_a_reason_why_not() -> None:
    new = [f"{path}: {command}" for path, command in shown() if entry(command) is None]
    assert new == [], "add these to RUN_BY, with a test that runs them, or to NOT_RUN, with the reason"


def test_every_entry_is_shown_somewhere() -> None:
    """Longest beginning first, so an entry whose command is gone does not live on by a shorter one's."""
    assert {**RUN_BY, **NOT_RUN}.keys() - {entry(command) for _, command in shown()} == set()
    assert RUN_BY.keys() & NOT_RUN.keys() == set()


def test_every_test_that_is_named_exists() -> None:
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    written = set(re.findall(r"^(?:async )?def (\w+)\(", tests, re.MULTILINE))
    assert set(RUN_BY.values()) - written == set()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("    kubectl get pods   # all of them\n", ["kubectl get pods"]),
        ("- so:\n\n      FOO=1 imgen up [--detach]     the whole\n", ["FOO=1 imgen up [--detach]"]),
        (
            "```sh\n$ pip install imgen\n\nnpm install imgen\n```\n",
            ["pip install imgen", "npm install imgen"],
        ),
        ("    imgen export A \\\n        --name b\n", ["imgen export A --name b"]),
        ('```json\n{"a": 1}\n```\n\n    {"action": "models"}\n', []),
        (
            "    a ──> b\n    imgen down, and ──^\n\n    app.py   the way in\n    http/   routes\n",
            [],
        ),
        ("a list\n- that goes on\n    imgen as a word of it\n", []),
    ],
)
def test_commands_are_told_from_other_blocks(text: str, found: list[str]) -> None:
    assert commands(text) == found


def only(document: str, *beginnings: str) -> str:
    """The commands of a document that begin so, as one script."""
    return "\n".join(
        command for command in commands((ROOT / document).read_text()) if command.startswith(beginnings)
    )


def run(script: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    assert script
    return subprocess.run(["bash", "-ec", script], cwd=folder, capture_output=True, text=True, check=False)


def test_openssl_makes_a_key_for_its_owner_alone_and_a_signing_request(tmp_path: Path) -> None:
    done = run(only("docs/credentials.md", "(umask", "openssl"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "request.csr").read_text().startswith("-----BEGIN CERTIFICATE REQUEST-----")


def test_example_of_settings_is_copied_for_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy" / ".env.example", tmp_path / "deploy")
    done = run(only("deploy/README.md", "cd deploy"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "deploy" / ".env").stat().st_mode & 0o777 == 0o600


def test_repository_is_checked_for_this_machine() -> None:
    script = only("docs/engines.md", "python -m export.engines.machine")
    done = run(script.replace("python", python_of("export")).replace("REPOSITORY", "demo/models"), ROOT)
    assert done.returncode == 0, done.stderr


def test_make_up_is_imgen_up() -> None:
    done = run(f"{only('README.md', 'make up')} --dry-run", ROOT)
    assert done.stdout.strip().splitlines()[-1].split() == [".venv/bin/imgen", "up"], done.stderr
