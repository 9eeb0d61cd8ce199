module github.com/fitbit-fetch/fitbit-fetch

go 1.26
