"""The table of reactions as it is promised, written by hand: class, position, what is left, what follows.

Columns: failure class | where | left | action | billed | what the client sees | key | breaker.
"""

TABLE = """
key_broke         before_sent    offers   next          nothing    another's answer            broke        rests_key
key_broke         before_sent    nothing  give_up       nothing    502 upstream_unavailable    broke        rests_key
key_broke         before_content offers   next          nothing    another's answer            broke        rests_key
key_broke         before_content nothing  give_up       nothing    502 upstream_unavailable    broke        rests_key
key_broke         after_content  offers   end_honestly  delivered  event upstream_cut          broke        rests_key
key_broke         after_content  nothing  end_honestly  delivered  event upstream_cut          broke        rests_key
key_invalid       before_sent    offers   next          nothing    another's answer            invalid      rests_key
key_invalid       before_sent    nothing  give_up       nothing    502 upstream_unavailable    invalid      rests_key
key_invalid       before_content offers   next          nothing    another's answer            invalid      rests_key
key_invalid       before_content nothing  give_up       nothing    502 upstream_unavailable    invalid      rests_key
key_invalid       after_content  offers   end_honestly  delivered  event upstream_cut          invalid      rests_key
key_invalid       after_content  nothing  end_honestly  delivered  event upstream_cut          invalid      rests_key
key_lacks_model   before_sent    offers   next          nothing    another's answer            lacks_model  rests_pair
key_lacks_model   before_sent    nothing  give_up       nothing    502 upstream_unavailable    lacks_model  rests_pair
key_lacks_model   before_content offers   next          nothing    another's answer            lacks_model  rests_pair
key_lacks_model   before_content nothing  give_up       nothing    502 upstream_unavailable    lacks_model  rests_pair
key_lacks_model   after_content  offers   end_honestly  delivered  event upstream_cut          lacks_model  rests_pair
key_lacks_model   after_content  nothing  end_honestly  delivered  event upstream_cut          lacks_model  rests_pair
own_rate_limit    before_sent    offers   next          nothing    another's answer            cooling      rests_key
own_rate_limit    before_sent    nothing  give_up       nothing    503 upstream_unavailable    cooling      rests_key
own_rate_limit    before_content offers   next          nothing    another's answer            cooling      rests_key
own_rate_limit    before_content nothing  give_up       nothing    503 upstream_unavailable    cooling      rests_key
own_rate_limit    after_content  offers   end_honestly  delivered  event upstream_cut          cooling      rests_key
own_rate_limit    after_content  nothing  end_honestly  delivered  event upstream_cut          cooling      rests_key
ramp_too_fast     before_sent    offers   next          nothing    another's answer            cooling      rests_key
ramp_too_fast     before_sent    nothing  give_up       nothing    503 upstream_unavailable    cooling      rests_key
ramp_too_fast     before_content offers   next          nothing    another's answer            cooling      rests_key
ramp_too_fast     before_content nothing  give_up       nothing    503 upstream_unavailable    cooling      rests_key
ramp_too_fast     after_content  offers   end_honestly  delivered  event upstream_cut          cooling      rests_key
ramp_too_fast     after_content  nothing  end_honestly  delivered  event upstream_cut          cooling      rests_key
provider_capacity before_sent    offers   next          nothing    another's answer            well         counts
provider_capacity before_sent    nothing  give_up       nothing    503 upstream_unavailable    well         counts
provider_capacity before_content offers   next          nothing    another's answer            well         counts
provider_capacity before_content nothing  give_up       nothing    503 upstream_unavailable    well         counts
provider_capacity after_content  offers   end_honestly  delivered  event upstream_cut          well         counts
provider_capacity after_content  nothing  end_honestly  delivered  event upstream_cut          well         counts
window_used_up    before_sent    offers   next          nothing    another's answer            cooling      rests_key
window_used_up    before_sent    nothing  give_up       nothing    503 upstream_unavailable    cooling      rests_key
window_used_up    before_content offers   next          nothing    another's answer            cooling      rests_key
window_used_up    before_content nothing  give_up       nothing    503 upstream_unavailable    cooling      rests_key
window_used_up    after_content  offers   end_honestly  delivered  event upstream_cut          cooling      rests_key
window_used_up    after_content  nothing  end_honestly  delivered  event upstream_cut          cooling      rests_key
refusal           before_sent    offers   tell          nothing    400 content_filtered        well         nothing
refusal           before_sent    nothing  tell          nothing    400 content_filtered        well         nothing
refusal           before_content offers   tell          nothing    400 content_filtered        well         nothing
refusal           before_content nothing  tell          nothing    400 content_filtered        well         nothing
refusal           after_content  offers   end_honestly  delivered  event content_filtered      well         nothing
refusal           after_content  nothing  end_honestly  delivered  event content_filtered      well         nothing
context_length    before_sent    offers   tell          nothing    400 context_length_exceeded well         nothing
context_length    before_sent    nothing  tell          nothing    400 context_length_exceeded well         nothing
context_length    before_content offers   tell          nothing    400 context_length_exceeded well         nothing
context_length    before_content nothing  tell          nothing    400 context_length_exceeded well         nothing
context_length    after_content  offers   end_honestly  delivered  event context_length_exceeded well       nothing
context_length    after_content  nothing  end_honestly  delivered  event context_length_exceeded well       nothing
request_fault     before_sent    offers   tell          nothing    400 invalid_request         well         nothing
request_fault     before_sent    nothing  tell          nothing    400 invalid_request         well         nothing
request_fault     before_content offers   tell          nothing    400 invalid_request         well         nothing
request_fault     before_content nothing  tell          nothing    400 invalid_request         well         nothing
request_fault     after_content  offers   end_honestly  delivered  event invalid_request       well         nothing
request_fault     after_content  nothing  end_honestly  delivered  event invalid_request       well         nothing
connect           before_sent    offers   next          nothing    another's answer            well         counts
connect           before_sent    nothing  give_up       nothing    503 upstream_unavailable    well         counts
connect           before_content offers   next          nothing    another's answer            well         counts
connect           before_content nothing  give_up       nothing    503 upstream_unavailable    well         counts
connect           after_content  offers   end_honestly  delivered  event upstream_cut          well         counts
connect           after_content  nothing  end_honestly  delivered  event upstream_cut          well         counts
timeout           before_sent    offers   next          nothing    another's answer            well         counts
timeout           before_sent    nothing  give_up       nothing    504 upstream_timeout        well         counts
timeout           before_content offers   next          nothing    another's answer            well         counts
timeout           before_content nothing  give_up       nothing    504 upstream_timeout        well         counts
timeout           after_content  offers   end_honestly  delivered  event upstream_timeout      well         counts
timeout           after_content  nothing  end_honestly  delivered  event upstream_timeout      well         counts
cut               before_sent    offers   next          nothing    another's answer            well         counts
cut               before_sent    nothing  give_up       nothing    503 upstream_unavailable    well         counts
cut               before_content offers   next          nothing    another's answer            well         counts
cut               before_content nothing  give_up       nothing    503 upstream_unavailable    well         counts
cut               after_content  offers   end_honestly  delivered  event upstream_cut          well         counts
cut               after_content  nothing  end_honestly  delivered  event upstream_cut          well         counts
bad_answer        before_sent    offers   next          nothing    another's answer            well         counts
bad_answer        before_sent    nothing  give_up       nothing    503 upstream_unavailable    well         counts
bad_answer        before_content offers   next          nothing    another's answer            well         counts
bad_answer        before_content nothing  give_up       nothing    503 upstream_unavailable    well         counts
bad_answer        after_content  offers   end_honestly  delivered  event upstream_cut          well         counts
bad_answer        after_content  nothing  end_honestly  delivered  event upstream_cut          well         counts
"""


def rows():
    """Yield (class, position, left, action, billed, seen, key state, breaker note)."""
    for line in TABLE.strip().splitlines():
        words = line.split()
        yield (*words[:5], " ".join(words[5:-2]), *words[-2:])
