#!/usr/bin/python3
"""Drops a file on a window as a file manager does (XDND 5), for tests of a real window. Needs python3-xlib.

usage: drop_file.py WINDOW_ID FILE"""
import sys
import time
from pathlib import Path

from Xlib import X, Xatom, display
from Xlib.protocol import event


def main():
    window_id, path = int(sys.argv[1], 0), Path(sys.argv[2]).absolute()
    screen = display.Display()
    atom = screen.intern_atom
    source = screen.screen().root.create_window(0, 0, 1, 1, 0, X.CopyFromParent)
    target = screen.create_resource_object("window", window_id)
    uris = atom("text/uri-list")
    source.set_selection_owner(atom("XdndSelection"), X.CurrentTime)

    def send(kind, *words):
        data = (32, [source.id, *words] + [0] * (4 - len(words)))
        target.send_event(event.ClientMessage(window=target, client_type=atom(kind), data=data))
        screen.flush()

    def answer(seconds, wanted):
        """Serves what the target asks for until it sends the message `wanted`."""
        end = time.time() + seconds
        while time.time() < end:
            if not screen.pending_events():
                time.sleep(0.02)
                continue
            got = screen.next_event()
            if got.type == X.SelectionRequest:
                got.requestor.change_property(got.property, uris, 8, (path.as_uri() + "\r\n").encode())
                got.requestor.send_event(
                    event.SelectionNotify(time=got.time, requestor=got.requestor, selection=got.selection,
                                          target=got.target, property=got.property))
                screen.flush()
            elif got.type == X.ClientMessage and got.client_type == atom(wanted):
                return got.data[1]
        sys.exit(f"drop_file.py: the window sent no {wanted}")

    position = target.translate_coords(screen.screen().root, 0, 0)
    x, y = 200 - position.x, 200 - position.y
    send("XdndEnter", 5 << 24, uris, Xatom.STRING, 0)
    send("XdndPosition", 0, x << 16 | y, X.CurrentTime, atom("XdndActionCopy"))
    if answer(10, "XdndStatus")[1] & 1 == 0:
        sys.exit("drop_file.py: the window takes no files")
    send("XdndDrop", 0, X.CurrentTime)
    answer(10, "XdndFinished")


main()
