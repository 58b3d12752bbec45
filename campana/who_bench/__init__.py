"""`campana bench who-answered`: a labelled set of greetings, made at bench time, through the conversation itself."""
