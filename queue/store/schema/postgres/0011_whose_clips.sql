-- Functions alone: who spoke may be learned after a clip has come in.

-- It says the same of what is decided, and has another name by now.
DROP FUNCTION IF EXISTS skipped(text, text);
