"""The commands that the start prints, as a shell reads them."""

import json
import subprocess

from smartoken.serving import curl

SHELL = 'curl() { for each in "$@"; do printf "%s\\0" "$each"; done; }\n'


def words(command):
    """Return the arguments that a shell would hand to curl."""
    done = subprocess.run(["/bin/sh", "-c", SHELL + command], capture_output=True, text=True, check=True)
    return done.stdout.split("\0")[:-1]


def test_a_key_that_pays_with_real_money_is_read_from_its_file(tmp_path):
    folder = tmp_path / "it's a $HOME"
    folder.mkdir()
    (folder / "first-real-call").write_text("sk-st-made-up\n")
    command = curl("http://127.0.0.1:8000", folder / "first-real-call", "a/b")
    assert "sk-st-made-up" not in command
    assert "Authorization: Bearer sk-st-made-up" in words(command)


def test_a_model_name_with_a_quote_stays_inside_of_the_body(tmp_path):
    name = "a'; echo broken; 'b"
    said = words(curl("http://127.0.0.1:8000", "sk-st-made-up", name))
    assert said[0] == "http://127.0.0.1:8000/v1/chat/completions"
    assert json.loads(said[-1])["model"] == name
