from terminal.desk import *
def test_go(desk):
    clips=desk.clips(); assert len(clips)==67
    with desk.review() as c:
        for clip in clips:
            ready(c, clip)
            decide(c,"enter")
        print(c.text())
        print(leave(c))
    print(desk.journal()[0]); print(desk.results()[0])
