"""Reading submissions: files and folders in Clearprop's process, cells and statements in the submission's."""
