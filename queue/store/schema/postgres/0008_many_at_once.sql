-- Payloads are erased by clip, and the index by clip left out lines without a verdict, which have no payload: as the
-- planner cannot know that, each critical mark and each withdrawal read all lines there were. Now it holds them all.
DROP INDEX line_decision;
CREATE INDEX line_decision ON line (clip, reviewer, arrival) INCLUDE (verdict);
