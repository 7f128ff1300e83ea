-- How many different reviewers must have decided a clip before it is done: one, unless the policy wants more.
ALTER TABLE policy ADD COLUMN opinions integer NOT NULL DEFAULT 1 CHECK (opinions BETWEEN 1 AND 9);

-- It says the same of what is decided, and has another name by now.
DROP FUNCTION IF EXISTS skipped(text, text);
