"""What happens when providers fail, dawdle or refuse: penstock and its peers side by side on one simulator."""
