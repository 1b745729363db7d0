print("piforge")
