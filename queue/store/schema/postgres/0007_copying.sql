-- While a store is copied here from one machine: clips whose audio is in its place already, under which name and under
-- which key (sealed under the master key). Empty before and after; `copying` in meta says that it goes on.
CREATE TABLE copied (
    clip text COLLATE "C" PRIMARY KEY,
    object text NOT NULL,
    key bytea NOT NULL
);
